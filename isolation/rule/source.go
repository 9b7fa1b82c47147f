package rule

// sourceRules are about sources and what proves where they are from.
func sourceRules() []Rule { return nil }
