package risk

// variableRules are to be written.
func variableRules() []rule { return nil }
