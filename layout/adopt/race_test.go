//go:build race

package adopt_test

const raceDetector = true
