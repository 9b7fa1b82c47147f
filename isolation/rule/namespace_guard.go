package rule

func guardRules() []Rule { return nil }
