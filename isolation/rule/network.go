package rule

// networkRules are about network and routing.
func networkRules() []Rule { return nil }
