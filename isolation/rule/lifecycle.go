package rule

// lifecycleRules are about how objects come and go.
func lifecycleRules() []Rule { return nil }
