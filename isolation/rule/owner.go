package rule

// ownerRules are about who owns an object.
func ownerRules() []Rule { return nil }
