package lab

import (
	"regexp"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// connectionNotification is a subscription to what happens to an endpoint or to a service's
// endpoints. The lab keeps it and shows it, and delivers nothing: it has no SNS.
type connectionNotification struct {
	owned
	serviceID  string
	endpointID string
	topic      string
	events     []string
}

type notificationItem struct {
	ID         string            `xml:"connectionNotificationId"`
	ServiceID  string            `xml:"serviceId,omitempty"`
	EndpointID string            `xml:"vpcEndpointId,omitempty"`
	Type       string            `xml:"connectionNotificationType"`
	Topic      string            `xml:"connectionNotificationArn"`
	Events     *wire.Set[string] `xml:"connectionEvents"`
	State      string            `xml:"connectionNotificationState"`
	Region     string            `xml:"serviceRegion"`
}

func (n *connectionNotification) item() notificationItem {
	return notificationItem{
		ID: n.id, ServiceID: n.serviceID, EndpointID: n.endpointID, Type: "Topic", Topic: n.topic,
		Events: wire.SetOf(slices.Clone(n.events)), State: "Enabled", Region: n.region,
	}
}

type createNotificationResponse struct {
	Notification notificationItem `xml:"connectionNotification"`
	ClientToken  string           `xml:"clientToken,omitempty"`
}

var topicARN = regexp.MustCompile(`^arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$`)

func topicFrom(arn string) (string, error) {
	if !topicARN.MatchString(arn) {
		return "", wire.Errorf(400, "InvalidParameter", "The ARN '%s' is not that of an SNS topic", shown(arn)) // UNSOURCED text
	}
	return arn, nil
}

func eventsFrom(events []string) ([]string, error) {
	if len(events) == 0 {
		return nil, missingParameter("ConnectionEvents")
	}
	for _, e := range events {
		if !slices.Contains([]string{"Accept", "Connect", "Delete", "Reject"}, e) {
			return nil, wire.Errorf(400, "InvalidParameterValue", "Invalid value '%s' for ConnectionEvents: expected Accept, Connect, Delete or Reject", shown(e))
		}
	}
	return unique(events), nil
}

// createNotification is CreateVpcEndpointConnectionNotification, on a service or on an endpoint of
// the caller.
func (p *privateLink) createNotification(c *call) (any, error) {
	answer := func(n *connectionNotification) (any, error) {
		return &createNotificationResponse{Notification: n.item(), ClientToken: c.params.String("ClientToken")}, nil
	}
	if id, hit, err := clientTokenHit(c); err != nil {
		return nil, err
	} else if n := p.notifications[id]; hit && n != nil {
		return answer(n)
	}
	arn, err := c.required("ConnectionNotificationArn")
	if err != nil {
		return nil, err
	}
	n := &connectionNotification{serviceID: c.params.String("ServiceId"), endpointID: c.params.String("VpcEndpointId")}
	if n.topic, err = topicFrom(arn); err != nil {
		return nil, err
	}
	if n.events, err = eventsFrom(c.params.List("ConnectionEvents")); err != nil {
		return nil, err
	}
	switch {
	case (n.serviceID == "") == (n.endpointID == ""):
		return nil, wire.Errorf(400, "InvalidParameterCombination", "Exactly one of ServiceId and VpcEndpointId must be given")
	case n.serviceID != "":
		_, err = c.ownService(n.serviceID)
	default:
		_, err = c.ownEndpoint(n.endpointID)
	}
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	n.owned = owned{id: c.newID("vpce-nfn"), account: c.account, region: c.region, created: c.stamp()}
	p.notifications[n.id] = n
	clientTokenKeep(c, n.id)
	return answer(n)
}

func (p *privateLink) ownNotification(c *call, id string) (*connectionNotification, error) {
	n := p.notifications[id]
	if n == nil || !c.owns(n) {
		// UNSOURCED code and text.
		return nil, wire.Errorf(400, "InvalidConnectionNotification", "The connection notification '%s' does not exist", shown(id))
	}
	return n, nil
}

// modifyNotification is ModifyVpcEndpointConnectionNotification.
func (p *privateLink) modifyNotification(c *call) (any, error) {
	id, err := c.required("ConnectionNotificationId")
	if err != nil {
		return nil, err
	}
	n, err := p.ownNotification(c, id)
	if err != nil {
		return nil, err
	}
	topic, events := n.topic, n.events
	if arn := c.params.String("ConnectionNotificationArn"); arn != "" {
		if topic, err = topicFrom(arn); err != nil {
			return nil, err
		}
	}
	if given := c.params.List("ConnectionEvents"); len(given) > 0 {
		if events, err = eventsFrom(given); err != nil {
			return nil, err
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	n.topic, n.events = topic, events
	return done{true}, nil
}

type describeNotificationsResponse struct {
	Notifications *wire.Set[notificationItem] `xml:"connectionNotificationSet"`
	NextToken     string                      `xml:"nextToken,omitempty"`
}

// describeNotifications is DescribeVpcEndpointConnectionNotifications.
func (p *privateLink) describeNotifications(c *call) (any, error) {
	found := mine(c, p.notifications)
	if id := c.params.String("ConnectionNotificationId"); id != "" {
		n, err := p.ownNotification(c, id)
		if err != nil {
			return nil, err
		}
		found = []*connectionNotification{n}
	}
	filters, err := filtersFrom(c, "connection-notification-arn", "connection-notification-id", "connection-notification-state", "connection-notification-type", "service-id", "vpc-endpoint-id")
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(n *connectionNotification) bool {
		return !filters.match(func(name string) []string {
			switch name {
			case "connection-notification-arn":
				return []string{n.topic}
			case "connection-notification-id":
				return []string{n.id}
			case "connection-notification-state":
				return []string{"Enabled"}
			case "connection-notification-type":
				return []string{"Topic"}
			case "service-id":
				return one(n.serviceID)
			case "vpc-endpoint-id":
				return one(n.endpointID)
			}
			return nil
		})
	})
	found, next, err := page(c, found, 1, 1000)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	items := make([]notificationItem, 0, len(found))
	for _, n := range found {
		items = append(items, n.item())
	}
	return &describeNotificationsResponse{Notifications: wire.SetOf(items), NextToken: next}, nil
}

// deleteNotifications is DeleteVpcEndpointConnectionNotifications.
func (p *privateLink) deleteNotifications(c *call) (any, error) {
	ids := unique(c.params.List("ConnectionNotificationId"))
	if len(ids) == 0 {
		return nil, missingParameter("ConnectionNotificationId")
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var failed []unsuccessfulResource
	for _, id := range ids {
		n, err := p.ownNotification(c, id)
		if err != nil {
			failed = append(failed, unsuccessful(id, "InvalidConnectionNotification", "The connection notification '"+shown(id)+"' does not exist"))
			continue
		}
		delete(p.notifications, n.id)
	}
	return &unsuccessfulResponse{Unsuccessful: wire.SetOf(failed)}, nil
}
