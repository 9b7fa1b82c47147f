package risk

// dataRules are to be written.
func dataRules() []rule { return nil }
