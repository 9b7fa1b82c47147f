//go:build !race

package adopt_test

const raceDetector = false
