package rule

// releaseRules are about Helm releases.
func releaseRules() []Rule { return nil }
