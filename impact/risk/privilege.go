package risk

// privilegeRules are to be written.
func privilegeRules() []rule { return nil }
