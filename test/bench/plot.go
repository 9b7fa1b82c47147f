package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// series is a line of the plot.
type series struct {
	name   string
	class  string // of CSS: its colour
	points []point
}

// point is a fleet's: builds affected, CPU seconds.
type point struct {
	label string
	x, y  float64
}

// curves are a series for each job, by fleet. The state is "warm" when every fleet
// was measured so, else "cold".
func (r report) curves(jobs ...string) (all []series, state string) {
	state = "warm"
	for _, f := range r.Fleets {
		for _, job := range jobs {
			if found := f.find(job); found != nil && found.Warm == nil {
				state = "cold"
			}
		}
	}
	for i, job := range jobs {
		s := series{name: job, class: fmt.Sprintf("c%d", i)}
		for _, f := range r.Fleets {
			found := f.find(job)
			if found == nil || f.Name == "peers" { // which is of another shape
				continue
			}
			c := found.Warm
			if state == "cold" {
				c = found.Cold
			}
			if c != nil {
				s.points = append(s.points, point{f.Name, float64(found.Affected), c.CPU})
			}
		}
		all = append(all, s)
	}
	return all, state
}

// axis maps a value to a place, by its logarithm.
type axis struct {
	from, to float64 // powers of ten
	at, size float64 // place of from, and distance to that of to
}

func (a axis) place(v float64) float64 {
	return a.at + a.size*(math.Log10(v)-math.Log10(a.from))/(math.Log10(a.to)-math.Log10(a.from))
}

// spanning is the axis of whole powers of ten that holds all values.
func spanning(values []float64, at, size float64) axis {
	low, high := math.Floor(math.Log10(slices.Min(values))), math.Ceil(math.Log10(slices.Max(values)))
	if low == high {
		high++
	}
	return axis{math.Pow(10, low), math.Pow(10, high), at, size}
}

// The plot is drawn in these units, and scales.
const (
	plotWidth, plotHeight = 720, 440
	plotLeft, plotTop     = 70, 64
	plotRight, plotBottom = 150, 56 // room for names at the right end of lines
)

const plotStyle = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.soft { fill: #59636e }
.back { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.guide { stroke: #818b98; stroke-width: 1.5; stroke-dasharray: 5 5; fill: none }
.line { stroke-width: 2.5; fill: none }
.c0 { stroke: #0969da } .d0 { fill: #0969da }
.c1 { stroke: #bc4c00 } .d1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .soft { fill: #9198a1 } .back { fill: #0d1117 }
  .grid { stroke: #2f353d } .guide { stroke: #9198a1 }
  .c0 { stroke: #4493f8 } .d0 { fill: #4493f8 }
  .c1 { stroke: #f0883e } .d1 { fill: #f0883e }
}
</style>`

// plot draws series on logarithmic axes as SVG, light and dark, with a guide from
// the second point of the first series on that grows in proportion; "" if there is
// no point.
func plot(all []series, title string) string {
	var xs, ys []float64
	for _, s := range all {
		for _, p := range s.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	if len(xs) == 0 {
		return ""
	}
	x := spanning(xs, plotLeft, plotWidth-plotLeft-plotRight)
	y := spanning(ys, plotHeight-plotBottom, -(plotHeight - plotTop - plotBottom))
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, title)
	write("%s", plotStyle)
	write(`<rect class="back" width="%d" height="%d"/>`, plotWidth, plotHeight)
	write(`<text class="title" x="%d" y="28">%s</text>`, plotLeft-52, title)
	write(`<text class="soft" x="%d" y="48">CPU seconds</text>`, plotLeft-52)
	write(`<text class="soft" x="%.0f" y="%d" text-anchor="middle">builds affected by the change, on all clusters</text>`, x.at+x.size/2, plotHeight-14)
	for v := x.from; v <= x.to*1.01; v *= 10 {
		write(`<path class="grid" d="M%.1f %.1fV%.1f"/>`, x.place(v), y.at, y.at+y.size)
		write(`<text x="%.1f" y="%.1f" text-anchor="middle">%g</text>`, x.place(v), y.at+20, tidy(v))
	}
	for v := y.from; v <= y.to*1.01; v *= 10 {
		write(`<path class="grid" d="M%.1f %.1fH%.1f"/>`, x.at, y.place(v), x.at+x.size)
		write(`<text x="%.1f" y="%.1f" text-anchor="end">%g</text>`, x.at-10, y.place(v)+4, tidy(v))
	}
	b.WriteString(guide(all[0], x, y))
	for i, s := range all {
		b.WriteString(s.draw(i, x, y))
	}
	write("</svg>")
	return b.String()
}

// tidy is a power of ten without what adding up left behind.
func tidy(v float64) float64 { return math.Pow(10, math.Round(math.Log10(v))) }

// guide is a line in proportion from the second point of a series to the edge.
func guide(s series, x, y axis) string {
	if len(s.points) < 3 {
		return ""
	}
	p := s.points[1]
	end := min(x.to, p.x*y.to/p.y)
	return fmt.Sprintf(`<path class="guide" d="M%.1f %.1fL%.1f %.1f"/>`+"\n"+`<text class="soft" x="%.1f" y="%.1f">in proportion from %s</text>`+"\n",
		x.place(p.x), y.place(p.y), x.place(end), y.place(p.y*end/p.x), x.place(end)+8, y.place(p.y*end/p.x)+4, p.label)
}

// draw is the line of series number i, its points, their fleets and its name.
func (s series) draw(i int, x, y axis) string {
	var b strings.Builder
	var path []string
	for _, p := range s.points {
		path = append(path, fmt.Sprintf("%.1f %.1f", x.place(p.x), y.place(p.y)))
	}
	if len(path) == 0 {
		return ""
	}
	fmt.Fprintf(&b, `<path class="line %s" d="M%s"/>`+"\n", s.class, strings.Join(path, "L"))
	for _, p := range s.points {
		fmt.Fprintf(&b, `<circle class="d%d" cx="%.1f" cy="%.1f" r="4.5"/>`+"\n", i, x.place(p.x), y.place(p.y))
		// Lines rise: the first, to the right, has its labels to the right below it, the
		// other to the left above, where there is room.
		dx, dy, anchor := 8.0, 18.0, "start"
		if i > 0 && x.place(p.x) > x.at+70 {
			dx, dy, anchor = -8, -8, "end"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s %s s</text>`+"\n", x.place(p.x)+dx, y.place(p.y)+dy, anchor, p.label, seconds(p.y))
	}
	fmt.Fprintf(&b, `<circle class="d%d" cx="%d" cy="%d" r="4.5"/><text x="%d" y="%d">%s</text>`+"\n", i, plotWidth-300+150*i, 44, plotWidth-290+150*i, 48, s.name)
	return b.String()
}
