package risk

// refusedRules are to be written.
func refusedRules() []rule { return nil }
