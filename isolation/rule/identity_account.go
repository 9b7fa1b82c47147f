package rule

func accountRules() []Rule { return nil }
