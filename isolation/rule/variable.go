package rule

// variableRules are about variables and values.
func variableRules() []Rule { return nil }
