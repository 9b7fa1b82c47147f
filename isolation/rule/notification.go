package rule

// notificationRules are about notifications.
func notificationRules() []Rule { return nil }
