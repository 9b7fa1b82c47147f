package rule

// operatorRules are about Flux Operator and generators of artifacts.
func operatorRules() []Rule { return nil }
