> GET / HTTP/1.1\r\n
! 400
