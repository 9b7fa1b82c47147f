package rule

// installationRules are about how Flux is installed on a cluster.
func installationRules() []Rule { return nil }
