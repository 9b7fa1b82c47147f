package risk

// applierRules are to be written.
func applierRules() []rule { return nil }
