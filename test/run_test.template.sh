#!/bin/sh
# <__IMAGE_NAME__>
FUTON_TOKEN='<__FUTON_TOKEN__>'
