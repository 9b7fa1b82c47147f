//go:build !race

package resourceset

const raceDetector = false
