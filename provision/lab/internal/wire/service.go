package wire

import (
	"net/http"
	"strings"
)

// Protocol is how a service's requests and responses look.
type Protocol int

// The protocols of the services.
const (
	EC2     Protocol = iota + 1 // form in; <OpResponse><requestId/>…; errors in <Response><Errors>
	Query                       // form in; <OpResponse><OpResult>…; errors in <ErrorResponse>
	RESTXML                     // paths and XML in; <OpResponse>…; errors in <ErrorResponse>
)

// Service is an AWS service as its wire protocol shows it.
type Service struct {
	Name      string // in the credential scope of signatures
	Protocol  Protocol
	Version   string
	Namespace string // of every response element
}

// Services lists the services that the lab speaks.
func Services() []Service {
	return []Service{
		{"ec2", EC2, "2016-11-15", "http://ec2.amazonaws.com/doc/2016-11-15/"},
		{"elasticloadbalancing", Query, "2015-12-01", "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"},
		{"sts", Query, "2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/"},
		{"route53", RESTXML, "2013-04-01", "https://route53.amazonaws.com/doc/2013-04-01/"},
	}
}

// ServiceNamed finds a service by its name in the credential scope.
func ServiceNamed(name string) (Service, bool) {
	for _, s := range Services() {
		if s.Name == name {
			return s, true
		}
	}
	return Service{}, false
}

// Guess finds the service that an unsigned request may be meant for, so that its error is in a
// shape that the client can read. version is the Version parameter of its form.
func Guess(path, version string) Service {
	services := Services()
	for _, s := range services {
		if s.Protocol == RESTXML && strings.HasPrefix(path, "/"+s.Version+"/") || s.Version == version {
			return s
		}
	}
	return services[0]
}

// SetHeaders gives a response the headers that the service's responses have.
func (s Service) SetHeaders(h http.Header, requestID string) {
	h.Set("X-Amzn-Requestid", requestID)
	switch s.Protocol {
	case EC2:
		h.Set("Content-Type", "text/xml;charset=UTF-8")
		h.Set("Server", "AmazonEC2")
		h.Set("Cache-Control", "no-cache, no-store")
	default:
		h.Set("Content-Type", "text/xml")
	}
}
