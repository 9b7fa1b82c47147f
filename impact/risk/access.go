package risk

// accessRules are to be written.
func accessRules() []rule { return nil }
