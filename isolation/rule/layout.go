package rule

// layoutRules are about how the repository is laid out.
func layoutRules() []Rule { return nil }
