package rule

// workloadRules are about workloads and pod security.
func workloadRules() []Rule { return nil }
