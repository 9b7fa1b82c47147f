//go:build !race

package cause_test

const raceDetector = false
