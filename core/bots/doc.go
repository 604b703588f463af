// Package bots tells robots from people by the User-Agent header, for session.BotOptions:
//
//	session.New(store, session.Options{Bots: session.BotOptions{Classifier: bots.Default(), Mode: session.BotsInMemory}})
//
// The patterns are those of Magento's session handler (php-redis-session-abstract, and Cm_RedisSession before it) and
// today's crawlers, previews, monitors, scanners and HTTP libraries. They are data: take Default, add or remove what you
// like, or write a session.Classifier of your own around another list.
//
// Robots that claim to be a browser are not found; that is what rate limits are for. So the verdict should change how
// long a session is kept, never what a visitor may do.
//
// # Concurrency
//
// A List is safe for concurrent use, as long as nobody changes it.
package bots
