package rule

// sourceGroup is the API group of Flux's sources.
const sourceGroup = "source.toolkit.fluxcd.io"

// sourceRules are about sources and what proves where they are from.
func sourceRules() []Rule { return nil }
