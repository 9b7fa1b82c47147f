package rule

// referenceRules are about references across namespaces.
func referenceRules() []Rule { return nil }
