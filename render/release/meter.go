package release

import (
	"context"
	"fmt"
	"math"
	"reflect"
)

// meter counts what the templates of one render cost, all variants together.
type meter struct {
	ctx                context.Context //nolint:containedctx // lives as long as one call of Render
	steps, bytes       int             // what is left
	depth, deepest     int
	texts, textDepth   int // bytes and number of the texts that tpl is running
	limits             Limits
	err                error // why the render was stopped
	untilContextLooked int
}

func (l Limits) orDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Steps, 1_000_000)
	set(&l.Bytes, 256<<20)
	set(&l.Depth, 1000)
	set(&l.Files, 100<<20)
	set(&l.Nodes, 2_000_000)
	return l
}

func newMeter(ctx context.Context, l Limits) *meter {
	return &meter{ctx: ctx, steps: l.Steps, bytes: l.Bytes, limits: l}
}

// step takes n steps. Its error ends the render; the meter keeps it, because Helm makes a text of it.
func (m *meter) step(n int) error {
	if m.err != nil {
		return m.err
	}
	if m.steps -= n; m.steps < 0 {
		return m.stop("its templates take more than %d steps", m.limits.Steps)
	}
	if m.untilContextLooked -= n; m.untilContextLooked <= 0 {
		m.untilContextLooked = 1024
		if err := m.ctx.Err(); err != nil {
			m.err = err
		}
	}
	return m.err
}

// spend takes n bytes.
func (m *meter) spend(n int) error {
	if m.err != nil {
		return m.err
	}
	if m.bytes -= n; n < 0 || m.bytes < 0 {
		return m.stop("its templates make more than %d bytes", m.limits.Bytes)
	}
	return nil
}

// afford reports whether n more of something, of size bytes each, could be spent. It spends nothing.
func (m *meter) afford(n, size int) error {
	if n > 0 && size > 0 && n > m.bytes/size {
		return m.stop("its templates make more than %d bytes", m.limits.Bytes)
	}
	return m.err
}

// enter begins a call of a template, or the run of a text of so many bytes by tpl. Each level of an error that is
// inside all the others repeats their texts, and so may each action around it: both are bounded together.
func (m *meter) enter(text ...int) error {
	if m.depth++; m.depth > m.deepest {
		return m.stop("its templates call each other more than %d deep", m.deepest)
	}
	for _, n := range text {
		m.texts += n
		m.textDepth++
	}
	if m.textDepth > 0 && m.texts > maxErrors/m.textDepth {
		return m.stop("its templates run texts with tpl within each other, %d deep", m.textDepth)
	}
	return m.step(1)
}

func (m *meter) leave(text ...int) {
	m.depth--
	for _, n := range text {
		m.texts -= n
		m.textDepth--
	}
}

// maxErrors bounds the bytes of all levels of one error of nested templates.
const maxErrors = 64 << 20

// rewind begins a file. The longest action of the templates decides how deep they may call each other.
func (m *meter) rewind(longest int) {
	m.depth, m.texts, m.textDepth = 0, 0, 0
	m.deepest = m.limits.Depth
	m.widen(longest)
}

// widen takes account of an action of that many bytes.
func (m *meter) widen(longest int) {
	m.deepest = min(m.deepest, int(math.Sqrt(float64(2*maxErrors/(longest+200)))))
}

func (m *meter) stop(format string, args ...any) error {
	if m.err == nil {
		m.err = &Error{Stage: StageLimit, Message: fmt.Sprintf(format, args...)}
	}
	return m.err
}

// weight is about how many bytes of text v holds, looking no further than a few levels and entries.
func weight(v reflect.Value, levels int) int {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return 0
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Len()
		}
		n := 16 * v.Len()
		for i := 0; levels > 0 && i < v.Len() && i < 32; i++ {
			n += weight(v.Index(i), levels-1)
		}
		return n
	case reflect.Map:
		if v.Type().Elem() == reflect.TypeFor[[]byte]() {
			return 8 // a chart's .Files: part of every context, and no template can make one
		}
		n := 32 * v.Len()
		if levels == 0 || v.Len() > 32 {
			return n
		}
		for it := v.MapRange(); it.Next(); {
			n += weight(it.Value(), levels-1)
		}
		return n
	default:
		return 8
	}
}
