package rule

// namespaceRules are about the boundary of a tenant's namespaces.
func namespaceRules() []Rule { return nil }
