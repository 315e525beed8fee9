"""Raw lines -> events or rejections, one file a format."""
