package results

// TLS is what the connections of https agreed on. Where they did not all agree
// on the same, a text has all, with commas between them.
type TLS struct {
	Version     string    `json:"version"`                // "TLS 1.3"
	CipherSuite string    `json:"cipher_suite"`           // "TLS_AES_128_GCM_SHA256"
	KeyExchange string    `json:"key_exchange,omitempty"` // "X25519MLKEM768"; absent for RSA's own and for resumed sessions of TLS 1.2
	ServerName  string    `json:"server_name,omitempty"`  // asked for by SNI; absent where the server has an address only
	Verified    bool      `json:"verified"`               // the certificate was
	Handshakes  int64     `json:"handshakes"`             // that came to their end within the window
	Resumed     int64     `json:"resumed"`                // of these, those that went on with an earlier session
	HandshakeUS Quantiles `json:"handshake_us,omitzero"`  // from the connection of TCP to the end of the handshake
}
