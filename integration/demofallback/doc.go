// Package demofallback tests examples/fallback as its users meet it: as a program, by its buttons, and with a browser.
package demofallback
