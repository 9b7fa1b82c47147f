package rule

// graphRules are about the graph of appliers.
func graphRules() []Rule { return nil }
