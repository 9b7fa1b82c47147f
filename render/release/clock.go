package release

import (
	"text/template"
	"time"
)

// now stands in for the clock, for the function of that name.
func (r *run) now(name string) time.Time { return moments[r.noted(name).variant] }

// times are the functions that read the clock, or the time zone of the process, which is UTC in the controller.
//
// Source: Masterminds/sprig v3.3.0, date.go.
func (r *run) times(sprigs template.FuncMap) template.FuncMap {
	round, _ := sprigs["durationRound"].(func(any) string)
	inZone := func(name, layout string, date any, zone string) string {
		t, ok := seconds(date)
		if !ok {
			t = r.now(name) // sprig takes the time of the call for whatever is no date
		}
		at := time.UTC
		if zone != "Local" {
			if known, err := time.LoadLocation(zone); err == nil {
				at = known
			}
		}
		return t.In(at).Format(layout)
	}
	dateInZone := func(layout string, date any, zone string) string { return inZone("dateInZone", layout, date, zone) }
	return template.FuncMap{
		"now":  func() time.Time { return r.now("now") },
		"date": func(layout string, date any) string { return inZone("date", layout, date, "Local") },
		"htmlDate": func(date any) string {
			return inZone("htmlDate", time.DateOnly, date, "Local")
		},
		"htmlDateInZone": func(date any, zone string) string {
			return inZone("htmlDateInZone", time.DateOnly, date, zone)
		},
		"dateInZone":   dateInZone,
		"date_in_zone": dateInZone,
		"ago": func(date any) string {
			now := r.now("ago")
			t := now // sprig takes it for whatever is none of these
			switch date := date.(type) {
			case time.Time:
				t = date
			case int64:
				t = time.Unix(date, 0)
			case int:
				t = time.Unix(int64(date), 0)
			}
			return now.Sub(t).Round(time.Second).String()
		},
		"toDate": func(layout, text string) time.Time {
			t, _ := time.ParseInLocation(layout, text, time.UTC)
			return t
		},
		"mustToDate": func(layout, text string) (time.Time, error) {
			return time.ParseInLocation(layout, text, time.UTC)
		},
		"durationRound": func(duration any) string {
			if t, ok := duration.(time.Time); ok {
				duration = int64(r.now("durationRound").Sub(t))
			}
			return round(duration)
		},
	}
}

// seconds is the time that sprig takes a date for, if it is one.
func seconds(date any) (time.Time, bool) {
	switch date := date.(type) {
	case time.Time:
		return date, true
	case *time.Time:
		if date != nil {
			return *date, true
		}
	case int64:
		return time.Unix(date, 0), true
	case int:
		return time.Unix(int64(date), 0), true
	case int32:
		return time.Unix(int64(date), 0), true
	}
	return time.Time{}, false
}
