package risk

// workloadRules are to be written.
func workloadRules() []rule { return nil }
