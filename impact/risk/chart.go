package risk

// chartRules are to be written.
func chartRules() []rule { return nil }
