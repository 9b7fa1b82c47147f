package risk

// imageRules are to be written.
func imageRules() []rule { return nil }
