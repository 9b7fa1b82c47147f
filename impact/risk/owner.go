package risk

// ownerRules are to be written.
func ownerRules() []rule { return nil }
