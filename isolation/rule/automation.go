package rule

// automationRules are about image automation.
func automationRules() []Rule { return nil }
