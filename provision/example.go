package provision

// Example is a commented link file that loads: what `linkassay init` writes.
func Example() []byte { return []byte(exampleFile) }

const exampleFile = `# A link file says what an AWS PrivateLink connection is meant to be: one consumer VPC endpoint,
# connected to one provider endpoint service. Keys that are commented out show their defaults or
# what else there is. "linkassay validate -f FILE" checks it, "linkassay schema" prints its JSON schema.
apiVersion: linkassay/v1

links:
  - name: api # names the link in reports, and in the tags of what apply builds
    region: ap-southeast-1

    # The name that consumers use. Leave it out when the service has none. Its domain must be a
    # public one that you own: AWS looks for a TXT record there.
    privateDNSName: api-svc.intra.example.com

    # The side that shares the service.
    provider:
      # access: none            # another company's account: nothing is asked there
      account: "111111111111" # always quoted
      profile: provider # of your AWS configuration; default: the environment's credentials
      # role:                   # assumed with those credentials
      #   arn: arn:aws:iam::111111111111:role/linkassay
      #   externalId: an-external-id
      # serviceId: vpce-svc-0123456789abcdef0   # an existing service, instead of build
      # hostedZone: Z0123456789ABCDEFGHIJ       # public zone for the TXT record; default: the closest

      # What "linkassay apply" builds, and "linkassay destroy" removes: VPC, subnets, instances, an
      # internal Network Load Balancer and the endpoint service.
      build:
        cidr: 10.0.0.0/16
        zones: [apse1-az1, apse1-az2, apse1-az3] # zone ids: zone names differ between accounts
        # acceptanceRequired: true
        # crossZone: false
        # proxyProtocol: false
        # allowedPrincipals: ["arn:aws:iam::222222222222:root"]
        # vpcId: vpc-0123456789abcdef0          # an existing VPC and its subnets, instead of cidr and zones
        # subnetIds: [subnet-0123456789abcdef0]
        # targets:                              # existing targets; default: an instance in each zone
        #   - ip: 10.0.16.10
        # instances:
        #   instanceType: t4g.nano
        # tags: {team: network}

    # The side that uses it.
    consumer:
      account: "222222222222"
      profile: consumer
      # endpointId: vpce-0123456789abcdef0      # an existing endpoint, instead of build
      build:
        cidr: 10.0.0.0/16 # may overlap with the provider's: no route joins the two
        # zones: [apse1-az1, apse1-az2]         # default: all zones that the service offers
        # securityGroupIds: [sg-0123456789abcdef0]

    # What the service listens on. A port without tls and http is judged by TCP alone.
    ports:
      - port: 80
        # proxyProtocol: true                   # whether the targets read the proxy protocol v2 header
        http:
          path: /
          status: [200]
      - port: 443
        tls: {}
        # tls:
        #   ca: private-ca.pem                  # files are looked for beside this one
        #   clientCert: client.pem
        #   clientKey: client-key.pem
        #   serverName: api-svc.intra.example.com
        http:
          # method: GET
          # headers: {Accept: text/plain}
          # body: "regular expression"
          status: [200]

    # Where probes leave from. None: only what the AWS API says is verified.
    vantages:
      - name: here # this host: one inside the consumer VPC
        from: local
      # - name: bastion
      #   from: socks5://127.0.0.1:1080         # such as ssh -D 1080 through a bastion
      #   zone: apse1-az1
      #   resolver: 10.0.0.2                    # default: the consumer VPC's base+2
      # - name: outside
      #   from: socks5://127.0.0.1:1081
      #   expect: timeout                       # the link must not be reachable from here

    # publicDNS:
    #   from: local                             # where the TXT record is asked from
    # timeouts: {api: 30s, dns: 2s, connect: 3s, tls: 5s, http: 10s, idle: 350s}  # idle: how long silent connections last

    # Findings that are known. They are shown, and don't fail a run until that day is over (UTC).
    # accept:
    #   - check: reachability.tls-certificate-lasts
    #     reason: the new certificate comes with the move to the new host
    #     expires: 2026-12-31

    # How linkassay canary watches this link; the same key beside links: holds for all of them.
    # canary:
    #   interval: 1m                            # DNS and connections
    #   controlInterval: 5m                     # the AWS APIs and public DNS
    #   alarm: {failures: 3, of: 5}             # so many failed rounds make an incident
    #   clear: 3                                # good rounds in a row that end it
    #   maintenance:                            # watched, and nobody is alarmed
    #     - start: "22:00"                      # UTC; or once: 2026-12-31T22:00:00Z
    #       duration: 2h
    #       weekdays: [sunday]
    #       reason: patching
`
