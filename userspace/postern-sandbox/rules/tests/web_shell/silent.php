<?php
$name = htmlspecialchars($_POST['name']);
echo "Hello, $name";
// never eval what a request brings
