package resourceset

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// ErrTooLarge is wrapped by the errors of templates that loop, write or compute
// more than is borne.
var ErrTooLarge = errors.New("too large")

// Bounds on one [Render]. An API server takes no object of more than 1.5 MiB.
const (
	maxSteps   = 500_000   // loop bodies and function calls
	maxWork    = 512 << 20 // bytes that functions are given
	maxValue   = 2 << 20   // bytes of one value, and of what one template writes for one input set
	maxWritten = 64 << 20  // bytes that all templates write
	maxObjects = 20_000    // objects
	maxRuns    = 200_000   // templates times input sets
	maxItems   = 100_000   // items of a list that a function makes
)

// meter counts what templates do, and stops them.
type meter struct {
	ctx         context.Context // lives as long as one call
	steps, work int
}

func (m *meter) step() error {
	if m.steps--; m.steps < 0 {
		return fmt.Errorf("more than %d loops and calls: %w", maxSteps, ErrTooLarge)
	}
	if m.steps%256 == 0 {
		return m.ctx.Err()
	}
	return nil
}

func (m *meter) spend(bytes int) error {
	if m.work -= bytes; m.work < 0 || bytes < 0 {
		return fmt.Errorf("templates take too long: %w", ErrTooLarge)
	}
	return nil
}

// value checks that values are together of bounded size once they are written out,
// and spends that size. A value that holds itself has no bound.
func (m *meter) value(values ...any) error {
	left := maxValue
	for _, v := range values {
		if !measure(reflect.ValueOf(v), &left, 0) {
			return fmt.Errorf("a value of more than %d bytes: %w", maxValue, ErrTooLarge)
		}
	}
	return m.spend(maxValue - left)
}

// maxDepth bounds how deep a value is nested.
const maxDepth = 100

// measure takes the size of v off left, and says whether that was enough.
func measure(v reflect.Value, left *int, depth int) bool {
	*left -= 8
	if *left < 0 || depth > maxDepth {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		*left -= v.Len()
	case reflect.Interface, reflect.Pointer:
		return v.IsNil() || measure(v.Elem(), left, depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !measure(v.Index(i), left, depth+1) {
				return false
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if !measure(it.Key(), left, depth+1) || !measure(it.Value(), left, depth+1) {
				return false
			}
		}
	default:
	}
	return *left >= 0
}
