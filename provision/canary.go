package provision

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Canary says how often linkassay canary looks at a link, and when it alarms. The zero value is the defaults.
type Canary struct {
	Interval        Duration      `yaml:"interval,omitempty" json:"interval,omitzero" jsonschema:"description=time from one round to the next: DNS and connections; default 1m"`
	ControlInterval Duration      `yaml:"controlInterval,omitempty" json:"controlInterval,omitzero" jsonschema:"description=time from one look at the AWS APIs and public DNS to the next; default 5m"`
	Alarm           Alarm         `yaml:"alarm,omitempty" json:"alarm,omitzero" jsonschema:"description=how many failures of how many rounds make an incident"`
	Clear           int           `yaml:"clear,omitempty" json:"clear,omitempty" jsonschema:"minimum=1,maximum=100,description=good rounds in a row that end an incident; default 3"`
	Maintenance     []Maintenance `yaml:"maintenance,omitempty" json:"maintenance,omitempty" jsonschema:"description=times at which the link is watched and nobody is alarmed"`
}

// Alarm is how many failures of one cause in how many rounds make an incident.
type Alarm struct {
	Failures int `yaml:"failures,omitempty" json:"failures,omitempty" jsonschema:"minimum=1,maximum=100,description=default 3"`
	Of       int `yaml:"of,omitempty" json:"of,omitempty" jsonschema:"minimum=1,maximum=100,description=default 5"`
}

// Maintenance is a window of time: once, or each week, or each day.
type Maintenance struct {
	// Start is a time in RFC 3339 for a window that is once, or HH:MM in UTC for one that comes again.
	Start    string   `yaml:"start" json:"start" jsonschema:"description=when it begins: 2026-12-31T22:00:00Z (once) or 22:00 (UTC; each day or on weekdays)"`
	Duration Duration `yaml:"duration" json:"duration" jsonschema:"description=how long it lasts such as 2h"`
	Weekdays []string `yaml:"weekdays,omitempty" json:"weekdays,omitempty" jsonschema:"enum=monday,enum=tuesday,enum=wednesday,enum=thursday,enum=friday,enum=saturday,enum=sunday,description=the days on which it begins (UTC); default: each day"`
	Reason   string   `yaml:"reason" json:"reason" jsonschema:"minLength=1,description=shown with the rounds of that time"`
}

// The defaults of a canary, used where the link file gives none.
const (
	DefaultInterval        = time.Minute
	DefaultControlInterval = 5 * time.Minute
	DefaultAlarmFailures   = 3
	DefaultAlarmOf         = 5
	DefaultClear           = 3
)

// Bounds of a canary.
const (
	minInterval    = time.Second
	maxInterval    = 24 * time.Hour
	minMaintenance = time.Minute
	maxMaintenance = 7 * 24 * time.Hour
)

// WithDefaults returns the canary with every value set.
func (c Canary) WithDefaults() Canary {
	c.Interval = Duration(c.Interval.Or(DefaultInterval))
	c.ControlInterval = Duration(max(c.ControlInterval.Or(DefaultControlInterval), time.Duration(c.Interval)))
	if c.Alarm.Of == 0 {
		c.Alarm.Of = max(DefaultAlarmOf, c.Alarm.Failures)
	}
	if c.Alarm.Failures == 0 {
		c.Alarm.Failures = min(DefaultAlarmFailures, c.Alarm.Of)
	}
	if c.Clear == 0 {
		c.Clear = DefaultClear
	}
	return c
}

// over fills what the link leaves out with what the file says for all links. Windows of both hold.
func (c Canary) over(all Canary) Canary {
	if c.Interval == 0 {
		c.Interval = all.Interval
	}
	if c.ControlInterval == 0 {
		c.ControlInterval = all.ControlInterval
	}
	if c.Alarm == (Alarm{}) {
		c.Alarm = all.Alarm
	}
	if c.Clear == 0 {
		c.Clear = all.Clear
	}
	c.Maintenance = slices.Concat(all.Maintenance, c.Maintenance)
	return c
}

// InMaintenance returns the first window that is open at that time.
func (c Canary) InMaintenance(at time.Time) (Maintenance, bool) {
	for _, m := range c.Maintenance {
		if m.Holds(at) {
			return m, true
		}
	}
	return Maintenance{}, false
}

// Holds says whether the window is open at that time. Its end is not part of it.
func (m Maintenance) Holds(at time.Time) bool {
	at = at.UTC()
	long := time.Duration(m.Duration)
	if once, err := time.Parse(time.RFC3339, m.Start); err == nil {
		return !at.Before(once) && at.Before(once.Add(long))
	}
	clock, err := time.Parse("15:04", m.Start)
	if err != nil {
		return false
	}
	// A window that began on an earlier day may still be open.
	for back := range int(long/(24*time.Hour)) + 2 {
		day := at.AddDate(0, 0, -back)
		start := time.Date(day.Year(), day.Month(), day.Day(), clock.Hour(), clock.Minute(), 0, 0, time.UTC)
		on := len(m.Weekdays) == 0 || slices.Contains(m.Weekdays, strings.ToLower(start.Weekday().String()))
		if on && !at.Before(start) && at.Before(start.Add(long)) {
			return true
		}
	}
	return false
}

func (d *document) checkCanary(c, all Canary, at string) {
	d.checkInterval(at, "interval", c.Interval)
	d.checkInterval(at, "controlInterval", c.ControlInterval)
	full := c.over(all).WithDefaults()
	if d.has(at + "/alarm") {
		d.rule(full.Alarm.Failures <= full.Alarm.Of, at+"/alarm", "alarm is %d failures of %d rounds, expected no more failures than rounds",
			full.Alarm.Failures, full.Alarm.Of)
	}
	for i, m := range c.Maintenance {
		d.checkMaintenance(m, at+"/maintenance/"+strconv.Itoa(i))
	}
}

func (d *document) checkInterval(at, key string, v Duration) {
	if place := at + "/" + key; d.has(place) {
		d.rule(time.Duration(v) >= minInterval && time.Duration(v) <= maxInterval, place, "%s is %s, expected %s to %s", key, v, minInterval, maxInterval)
	}
}

func (d *document) checkMaintenance(m Maintenance, at string) {
	_, notOnce := time.Parse(time.RFC3339, m.Start)
	_, notDaily := time.Parse("15:04", m.Start)
	if m.Start != "" {
		d.rule(notOnce == nil || notDaily == nil, at+"/start", "start is %s, expected %s", show(m.Start), expectation("start"))
	}
	if notOnce == nil && len(m.Weekdays) > 0 {
		d.rule(false, at+"/weekdays", "weekdays with a start that is once, expected a start such as 22:00 or no weekdays")
	}
	if d.has(at + "/duration") {
		long := time.Duration(m.Duration)
		d.rule(long >= minMaintenance && long <= maxMaintenance, at+"/duration", "duration is %s, expected %s to %s", m.Duration, minMaintenance, maxMaintenance)
	}
	d.rule(!d.has(at+"/reason") || strings.TrimSpace(m.Reason) != "", at+"/reason", "reason is empty, expected %s", "what is being done")
	d.rule(len(m.Reason) <= maxReason, at+"/reason", "reason has %d bytes, expected at most %d", len(m.Reason), maxReason)
}

// String is how a window is told.
func (m Maintenance) String() string {
	return fmt.Sprintf("%s for %s: %s", m.Start, m.Duration, m.Reason)
}
