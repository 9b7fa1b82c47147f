//go:build race

package resourceset

const raceDetector = true
