package risk

// exposureRules are to be written.
func exposureRules() []rule { return nil }
