package rule

// blastRules are about how far a change reaches.
func blastRules() []Rule { return nil }
