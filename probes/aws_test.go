package probes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision/awsapi"
)

const (
	testService  = "vpce-svc-071afff70666e61e0"
	testEndpoint = "vpce-0fe5b17a0707d6abc"
	testRegional = testEndpoint + "-29p5708s." + testService + ".us-east-1.vpce.amazonaws.com"
	testZonalA   = testEndpoint + "-29p5708s-us-east-1a." + testService + ".us-east-1.vpce.amazonaws.com"
	testZonalC   = testEndpoint + "-29p5708s-us-east-1c." + testService + ".us-east-1.vpce.amazonaws.com"
	testBalancer = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/svc/64dd9dbad4434c92"
	testGroup    = "arn:aws:elasticloadbalancing:us-east-1:111111111111:targetgroup/svc/73e2d6bc24d8a067"
)

// canned is one account's AWS: an HTTP server with an answer per action.
type canned struct {
	*httptest.Server
	delay time.Duration

	mu      sync.Mutex
	answers map[string][]string // the last one stays
	calls   map[string]int
}

// ec2XML, elbXML and failXML wrap answers as the wire protocols do.
func ec2XML(action, inner string) string {
	return "<" + action + "Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>" + inner + "</" + action + "Response>"
}

func elbXML(action, inner string) string {
	return "<" + action + "Response xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><" + action + "Result>" + inner +
		"</" + action + "Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></" + action + "Response>"
}

func failXML(status int, code, message string) string {
	return fmt.Sprintf("%d<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r</RequestID></Response>", status, code, message)
}

func zonesXML(pairs ...string) string {
	var b strings.Builder
	for _, p := range pairs {
		name, id, _ := strings.Cut(p, "=")
		b.WriteString("<item><zoneName>" + name + "</zoneName><zoneId>" + id + "</zoneId><zoneState>available</zoneState></item>")
	}
	return ec2XML("DescribeAvailabilityZones", "<availabilityZoneInfo>"+b.String()+"</availabilityZoneInfo>")
}

func groupsXML(id string) string {
	return ec2XML("DescribeSecurityGroups", `<securityGroupInfo><item><ownerId>1</ownerId><groupId>`+id+`</groupId><groupName>g</groupName><vpcId>v</vpcId>
		<ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort><groups><item><groupId>sg-peer</groupId></item></groups>
		<ipRanges><item><cidrIp>10.0.0.0/16</cidrIp></item><item><cidrIp>10.1.0.0/16</cidrIp></item></ipRanges></item></ipPermissions>
		<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress></item></securityGroupInfo>`)
}

func identityXML(account string) string {
	return `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::` + account +
		`:user/verify</Arn><UserId>U</UserId><Account>` + account + `</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
}

func serviceXML(state, verification string) string {
	return ec2XML("DescribeVpcEndpointServiceConfigurations", `<serviceConfigurationSet><item>
		<serviceType><item><serviceType>Interface</serviceType></item></serviceType><serviceId>`+testService+`</serviceId>
		<serviceName>com.amazonaws.vpce.us-east-1.`+testService+`</serviceName><serviceState>`+state+`</serviceState>
		<availabilityZoneIdSet><item>use1-az2</item><item>use1-az1</item></availabilityZoneIdSet><acceptanceRequired>true</acceptanceRequired>
		<networkLoadBalancerArnSet><item>`+testBalancer+`</item></networkLoadBalancerArnSet><privateDnsName>api.example.com</privateDnsName>
		<privateDnsNameConfiguration><state>`+verification+`</state><type>TXT</type><value>`+testValue+`</value><name>`+testLabel+`</name></privateDnsNameConfiguration>
		<tagSet><item><key>Name</key><value>svc</value></item></tagSet></item></serviceConfigurationSet>`)
}

func endpointXML(state string) string {
	return ec2XML("DescribeVpcEndpoints", `<vpcEndpointSet><item><vpcEndpointId>`+testEndpoint+`</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType>
		<vpcId>vpc-0b</vpcId><serviceName>com.amazonaws.vpce.us-east-1.`+testService+`</serviceName><state>`+state+`</state>
		<subnetIdSet><item>subnet-b</item><item>subnet-a</item></subnetIdSet><groupSet><item><groupId>sg-b</groupId></item></groupSet>
		<privateDnsEnabled>true</privateDnsEnabled><networkInterfaceIdSet><item>eni-0a</item><item>eni-0b</item></networkInterfaceIdSet>
		<dnsEntrySet><item><dnsName>api.example.com</dnsName></item><item><dnsName>`+testZonalC+`</dnsName></item>
		<item><dnsName>`+testRegional+`</dnsName></item><item><dnsName>`+testZonalA+`</dnsName></item></dnsEntrySet>
		<creationTimestamp>2026-01-15T10:00:24.350Z</creationTimestamp></item></vpcEndpointSet>`)
}

func healthXML(states ...string) string {
	var b strings.Builder
	for i, s := range states {
		fmt.Fprintf(&b, "<member><Target><Id>10.0.%d.10</Id><Port>443</Port></Target><TargetHealth><State>%s</State></TargetHealth></member>", i+1, s)
	}
	return elbXML("DescribeTargetHealth", "<TargetHealthDescriptions>"+b.String()+"</TargetHealthDescriptions>")
}

func interfaceXML(id, subnet, zone, ip string) string {
	return "<item><networkInterfaceId>" + id + "</networkInterfaceId><subnetId>" + subnet + "</subnetId><vpcId>vpc-0b</vpcId><availabilityZone>" + zone +
		"</availabilityZone><status>in-use</status><privateIpAddress>" + ip + "</privateIpAddress><groupSet><item><groupId>sg-b</groupId></item></groupSet>" +
		"<privateIpAddressesSet><item><privateIpAddress>" + ip + "</privateIpAddress></item></privateIpAddressesSet></item>"
}

func aclXML(id, vpc, subnet string) string {
	return ec2XML("DescribeNetworkAcls", `<networkAclSet><item><networkAclId>`+id+`</networkAclId><vpcId>`+vpc+`</vpcId><default>true</default><entrySet>
		<item><ruleNumber>32767</ruleNumber><protocol>-1</protocol><ruleAction>deny</ruleAction><egress>false</egress><cidrBlock>0.0.0.0/0</cidrBlock></item>
		<item><ruleNumber>90</ruleNumber><protocol>6</protocol><ruleAction>allow</ruleAction><egress>false</egress><cidrBlock>10.0.0.0/8</cidrBlock><portRange><from>80</from><to>443</to></portRange></item>
		</entrySet><associationSet><item><networkAclAssociationId>aclassoc-1</networkAclAssociationId><networkAclId>`+id+`</networkAclId><subnetId>`+subnet+`</subnetId></item></associationSet></item></networkAclSet>`)
}

// providerAccount answers as the owner of a healthy service.
func providerAccount() map[string]string {
	return map[string]string{
		"GetCallerIdentity":                        identityXML("111111111111"),
		"DescribeAvailabilityZones":                zonesXML("us-east-1b=use1-az2", "us-east-1a=use1-az1"),
		"DescribeVpcEndpointServiceConfigurations": serviceXML("Available", "verified"),
		"DescribeVpcEndpointServicePermissions":    ec2XML("DescribeVpcEndpointServicePermissions", `<allowedPrincipals><item><principalType>Account</principalType><principal>arn:aws:iam::222222222222:root</principal></item></allowedPrincipals>`),
		"DescribeVpcEndpointConnections":           ec2XML("DescribeVpcEndpointConnections", `<vpcEndpointConnectionSet><item><serviceId>`+testService+`</serviceId><vpcEndpointId>`+testEndpoint+`</vpcEndpointId><vpcEndpointOwner>222222222222</vpcEndpointOwner><vpcEndpointState>available</vpcEndpointState></item></vpcEndpointConnectionSet>`),
		"DescribeLoadBalancers": elbXML("DescribeLoadBalancers", `<LoadBalancers><member><LoadBalancerArn>`+testBalancer+`</LoadBalancerArn><LoadBalancerName>svc</LoadBalancerName>
			<Scheme>internal</Scheme><VpcId>vpc-0a</VpcId><State><Code>active</Code></State><Type>network</Type><AvailabilityZones><member><ZoneName>us-east-1b</ZoneName><SubnetId>subnet-2</SubnetId></member>
			<member><ZoneName>us-east-1a</ZoneName><SubnetId>subnet-1</SubnetId></member></AvailabilityZones><SecurityGroups><member>sg-1</member></SecurityGroups></member></LoadBalancers>`),
		"DescribeLoadBalancerAttributes": elbXML("DescribeLoadBalancerAttributes", `<Attributes><member><Key>load_balancing.cross_zone.enabled</Key><Value>true</Value></member></Attributes>`),
		"DescribeListeners": elbXML("DescribeListeners", `<Listeners><member><ListenerArn>l2</ListenerArn><Port>443</Port><Protocol>TCP</Protocol><DefaultActions><member><Type>forward</Type><ForwardConfig><TargetGroups><member><TargetGroupArn>`+testGroup+`</TargetGroupArn></member></TargetGroups></ForwardConfig><TargetGroupArn>`+testGroup+`</TargetGroupArn></member></DefaultActions></member>
			<member><ListenerArn>l1</ListenerArn><Port>80</Port><Protocol>TCP</Protocol><DefaultActions/></member></Listeners>`),
		"DescribeTargetGroups":          elbXML("DescribeTargetGroups", `<TargetGroups><member><TargetGroupArn>`+testGroup+`</TargetGroupArn><TargetGroupName>svc</TargetGroupName><Protocol>TCP</Protocol><Port>443</Port><TargetType>ip</TargetType><VpcId>vpc-0a</VpcId></member></TargetGroups>`),
		"DescribeTargetGroupAttributes": elbXML("DescribeTargetGroupAttributes", `<Attributes><member><Key>proxy_protocol_v2.enabled</Key><Value>true</Value></member></Attributes>`),
		"DescribeTargetHealth":          healthXML("healthy", "unhealthy"),
		"DescribeNetworkAcls":           aclXML("acl-0a", "vpc-0a", "subnet-1"),
		"DescribeNetworkInterfaces":     ec2XML("DescribeNetworkInterfaces", "<networkInterfaceSet>"+interfaceXML("eni-t", "subnet-1", "us-east-1a", "10.0.1.10")+"</networkInterfaceSet>"),
		"DescribeSubnets":               ec2XML("DescribeSubnets", `<subnetSet><item><subnetId>subnet-1</subnetId><cidrBlock>10.0.1.0/24</cidrBlock><availabilityZone>us-east-1a</availabilityZone></item><item><subnetId>subnet-2</subnetId><cidrBlock>10.0.2.0/24</cidrBlock><availabilityZone>us-east-1b</availabilityZone></item></subnetSet>`),
		"DescribeSecurityGroups":        groupsXML("sg-1"),
		"hostedzonesbyname": `<ListHostedZonesByNameResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZones>
			<HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>r</CallerReference><Config><PrivateZone>false</PrivateZone></Config></HostedZone>
			<HostedZone><Id>/hostedzone/Z9</Id><Name>example.org.</Name><CallerReference>r</CallerReference></HostedZone></HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>`,
		"Z1": `<GetHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>r</CallerReference></HostedZone>
			<DelegationSet><NameServers><NameServer>ns-2.awsdns-00.net</NameServer><NameServer>ns-1.awsdns-00.com</NameServer></NameServers></DelegationSet></GetHostedZoneResponse>`,
		"rrset": `<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets>
			<ResourceRecordSet><Name>www.example.com.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>
			<ResourceRecordSet><Name>` + testLabel + `.api.example.com.</Name><Type>TXT</Type><TTL>1800</TTL><ResourceRecords><ResourceRecord><Value>"` + testValue + `"</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>
			</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`,

		"CreateVpcEndpointServiceConfiguration": failXML(412, "DryRunOperation", "would have succeeded"),
		"ModifyVpcEndpointServicePermissions":   failXML(412, "DryRunOperation", "would have succeeded"),
		"AcceptVpcEndpointConnections":          failXML(403, "UnauthorizedOperation", "not authorized"),
	}
}

// consumerAccount answers as the owner of an available endpoint in two zones.
func consumerAccount() map[string]string {
	return map[string]string{
		"GetCallerIdentity":           identityXML("222222222222"),
		"DescribeAvailabilityZones":   zonesXML("us-east-1a=use1-az2", "us-east-1c=use1-az1"),
		"DescribeVpcEndpointServices": ec2XML("DescribeVpcEndpointServices", `<serviceDetailSet><item><serviceName>com.amazonaws.vpce.us-east-1.`+testService+`</serviceName><serviceId>`+testService+`</serviceId><owner>111111111111</owner><privateDnsName>api.example.com</privateDnsName><privateDnsNameVerificationState>verified</privateDnsNameVerificationState></item></serviceDetailSet>`),
		"DescribeVpcEndpoints":        endpointXML("available"),
		"DescribeNetworkAcls":         aclXML("acl-0b", "vpc-0b", "subnet-a"),
		"DescribeRouteTables": ec2XML("DescribeRouteTables", `<routeTableSet><item><routeTableId>rtb-0b</routeTableId><vpcId>vpc-0b</vpcId><routeSet>
			<item><destinationCidrBlock>10.1.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item>
			<item><destinationCidrBlock>10.9.0.0/16</destinationCidrBlock><transitGatewayId>tgw-1</transitGatewayId><state>blackhole</state></item></routeSet>
			<associationSet><item><main>true</main></item><item><subnetId>subnet-a</subnetId><main>false</main></item></associationSet></item></routeTableSet>`),
		"DescribeNetworkInterfaces": ec2XML("DescribeNetworkInterfaces", "<networkInterfaceSet>"+interfaceXML("eni-0b", "subnet-b", "us-east-1a", "10.1.2.10")+interfaceXML("eni-0a", "subnet-a", "us-east-1c", "10.1.1.10")+"</networkInterfaceSet>"),
		"DescribeSubnets":           ec2XML("DescribeSubnets", `<subnetSet><item><subnetId>subnet-a</subnetId><vpcId>vpc-0b</vpcId><cidrBlock>10.1.1.0/24</cidrBlock><availabilityZone>us-east-1c</availabilityZone><availabilityZoneId>use1-az1</availabilityZoneId><availableIpAddressCount>250</availableIpAddressCount></item></subnetSet>`),
		"DescribeVpcs":              ec2XML("DescribeVpcs", `<vpcSet><item><vpcId>vpc-0b</vpcId><cidrBlock>10.1.0.0/16</cidrBlock><dhcpOptionsId>dopt-0a</dhcpOptionsId><cidrBlockAssociationSet><item><cidrBlock>10.1.0.0/16</cidrBlock></item><item><cidrBlock>10.2.0.0/16</cidrBlock></item></cidrBlockAssociationSet></item></vpcSet>`),
		"DescribeDhcpOptions":       ec2XML("DescribeDhcpOptions", `<dhcpOptionsSet><item><dhcpOptionsId>dopt-0a</dhcpOptionsId><dhcpConfigurationSet><item><key>domain-name-servers</key><valueSet><item><value>AmazonProvidedDNS</value></item></valueSet></item></dhcpConfigurationSet></item></dhcpOptionsSet>`),
		"DescribeVpcAttribute":      ec2XML("DescribeVpcAttribute", `<vpcId>vpc-0b</vpcId><enableDnsSupport><value>true</value></enableDnsSupport>`),
		"DescribeSecurityGroups":    groupsXML("sg-b"),
		"hostedzonesbyvpc":          `<ListHostedZonesByVPCResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZoneSummaries><HostedZoneSummary><HostedZoneId>Z2</HostedZoneId><Name>example.com.</Name><Owner><OwningAccount>222222222222</OwningAccount></Owner></HostedZoneSummary></HostedZoneSummaries><MaxItems>100</MaxItems></ListHostedZonesByVPCResponse>`,
		"CreateVpcEndpoint":         failXML(503, "Unavailable", "The service is unavailable"),
		"ModifyVpcEndpoint":         ec2XML("ModifyVpcEndpoint", "<return>true</return>"),
	}
}

// account starts a canned AWS and clients of it.
func account(t *testing.T, answers map[string]string) (*canned, *awsapi.Clients) {
	t.Helper()
	a := &canned{answers: map[string][]string{}, calls: map[string]int{}}
	for action, text := range answers {
		a.answers[action] = []string{text}
	}
	a.Server = httptest.NewServer(a)
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "us-east-1"}, awsapi.WithStatic(a.URL, "AKIDEXAMPLE", "secret"), awsapi.WithRetries(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); a.Close() })
	return a, c
}

// ServeHTTP answers the action.
func (a *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	action := r.Form.Get("Action")
	if action == "" {
		action = r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	}
	if a.delay > 0 {
		select {
		case <-time.After(a.delay):
		case <-r.Context().Done():
			return
		}
	}
	a.mu.Lock()
	a.calls[action]++
	queue := a.answers[action]
	if len(queue) > 1 {
		a.answers[action] = queue[1:]
	}
	a.mu.Unlock()
	text := failXML(400, "InvalidAction", "no such action: "+action)
	if len(queue) > 0 {
		text = queue[0]
	}
	if !strings.HasPrefix(text, "<") { // a status code stands before the body
		var status int
		_, _ = fmt.Sscanf(text[:3], "%d", &status)
		w.WriteHeader(status)
		text = text[3:]
	}
	_, _ = w.Write([]byte(text))
}

func (a *canned) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, c := range a.calls {
		n += c
	}
	return n
}
