systemctl enable page.socket
