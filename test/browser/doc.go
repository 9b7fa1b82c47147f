// Package browser tests what a person reads: the page in headless Chromium, the comment in the parser of a forge.
package browser
