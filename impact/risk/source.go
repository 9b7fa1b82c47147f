package risk

// sourceRules are to be written.
func sourceRules() []rule { return nil }
