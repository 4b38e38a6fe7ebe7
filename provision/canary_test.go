package provision

import (
	"strings"
	"testing"
	"time"
)

func TestMaintenanceHolds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		m    Maintenance
		at   string
		want bool
	}{
		{"once, at its start", Maintenance{Start: "2026-12-31T22:00:00Z", Duration: Duration(2 * time.Hour)}, "2026-12-31T22:00:00Z", true},
		{"once, at its end", Maintenance{Start: "2026-12-31T22:00:00Z", Duration: Duration(2 * time.Hour)}, "2027-01-01T00:00:00Z", false},
		{"once, in another zone's clock", Maintenance{Start: "2026-12-31T22:00:00+02:00", Duration: Duration(time.Hour)}, "2026-12-31T20:30:00Z", true},
		{"each day", Maintenance{Start: "22:00", Duration: Duration(time.Hour)}, "2026-11-27T22:59:59Z", true},
		{"each day, over midnight", Maintenance{Start: "22:00", Duration: Duration(4 * time.Hour)}, "2026-11-28T01:00:00Z", true},
		{"each day, after it", Maintenance{Start: "22:00", Duration: Duration(4 * time.Hour)}, "2026-11-28T02:00:00Z", false},
		{"on its weekday", Maintenance{Start: "22:00", Duration: Duration(time.Hour), Weekdays: []string{"friday"}}, "2026-11-27T22:30:00Z", true},
		{"on another weekday", Maintenance{Start: "22:00", Duration: Duration(time.Hour), Weekdays: []string{"friday"}}, "2026-11-28T22:30:00Z", false},
		{"begun on its weekday, days ago", Maintenance{Start: "22:00", Duration: Duration(60 * time.Hour), Weekdays: []string{"friday"}}, "2026-11-30T09:00:00Z", true},
		{"no such time", Maintenance{Start: "noon", Duration: Duration(time.Hour)}, "2026-11-27T12:00:00Z", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.m.Holds(at); got != tt.want {
				t.Errorf("at %s: %v, expected %v", tt.at, got, tt.want)
			}
		})
	}
}

func TestCanaryOfALinkComesFirst(t *testing.T) {
	t.Parallel()
	f, err := Load(strings.NewReader(`apiVersion: linkassay/v1
canary: {interval: 30s, clear: 2, alarm: {failures: 2}, maintenance: [{start: "22:00", duration: 1h, reason: every day}]}
links:
- {name: a, region: us-east-1, provider: {access: none, account: "111111111111", serviceName: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0}, consumer: {account: "222222222222", endpointId: vpce-0123456789abcdef0}, ports: [{port: 22}], canary: {interval: 10s, maintenance: [{start: "2026-12-31T22:00:00Z", duration: 1h, reason: once}]}}
- {name: b, region: us-east-1, provider: {access: none, account: "111111111111", serviceName: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0}, consumer: {account: "222222222222", endpointId: vpce-0123456789abcdef0}, ports: [{port: 22}]}
`), "link.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, b := f.Links[0].Canary.WithDefaults(), f.Links[1].Canary.WithDefaults()
	if a.Interval != Duration(10*time.Second) || a.Clear != 2 || len(a.Maintenance) != 2 || a.Alarm != (Alarm{2, 5}) {
		t.Errorf("link a: %+v", a)
	}
	if b.Interval != Duration(30*time.Second) || b.ControlInterval != Duration(DefaultControlInterval) || len(b.Maintenance) != 1 {
		t.Errorf("link b: %+v", b)
	}
	if none := (Canary{}).WithDefaults(); none.Alarm != (Alarm{DefaultAlarmFailures, DefaultAlarmOf}) || none.Clear != DefaultClear {
		t.Errorf("the defaults: %+v", none)
	}
}
