//go:build !race

package concern_test

const raceDetector = false
